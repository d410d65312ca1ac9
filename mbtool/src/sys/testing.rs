//! Test support: files of a machine below a directory.

use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// /proc/iomem of QEMU's pc machine with 2 GiB and SeaBIOS, `crashkernel=256M`.
pub const IOMEM: &str = "\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
0009fc00-0009ffff : Reserved
000f0000-000fffff : Reserved
00100000-7ffdbfff : System RAM
  6c000000-7bffffff : Crash kernel
7ffdc000-7fffffff : Reserved
fffc0000-ffffffff : Reserved
";

/// Writes `content` to `name` below `root`, with its parent directories.
pub fn put(root: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Writes an executable script. A child does so: a file that this process has open for writing
/// cannot be executed (ETXTBSY) until all children that other threads fork meanwhile have closed it.
pub fn put_script(path: &Path, text: &str) {
    let mut writer = Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = writer.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    assert!(writer.wait().unwrap().success());
}

/// Makes a FIFO that this user may read and write.
pub fn put_fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}
