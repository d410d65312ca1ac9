//! Compares the checksum implementations of the blob with other crates on the
//! same data, best of several runs. `cargo bench -p handoff`.

use handoff::abi::{VERIFY_CRC32, VERIFY_SHA256};
use handoff::arch::x86_64::verify::Engine;
use handoff::crc;
use handoff::verify::DigestEngine;
use sha2::{Digest, Sha256};
use std::hint::black_box;
use std::time::Instant;

const LEN: usize = 32 << 20;
const ROUNDS: usize = 9;

type Checksum<'a> = Box<dyn Fn(&[u8]) -> Vec<u8> + 'a>;

struct Racer<'a> {
    name: String,
    run: Checksum<'a>,
    /// Best time in seconds.
    best: f64,
}

/// Makes a benchmark.
fn racer<'a>(name: &str, run: impl Fn(&[u8]) -> Vec<u8> + 'a) -> Racer<'a> {
    Racer {
        name: name.to_owned(),
        run: Box::new(run),
        best: f64::INFINITY,
    }
}

/// Runs all benchmarks in turns, so that system noise affects all of them, and
/// prints speeds relative to the last one, the reference.
fn race(bytes: &[u8], mut racers: Vec<Racer<'_>>) {
    let digest = (racers[0].run)(bytes);
    for _ in 0..ROUNDS {
        for racer in &mut racers {
            let start = Instant::now();
            let found = (racer.run)(black_box(bytes));
            racer.best = racer.best.min(start.elapsed().as_secs_f64());
            assert_eq!(found, digest, "{}", racer.name);
        }
    }
    let peer = racers.last().map_or(f64::NAN, |racer| racer.best);
    for racer in &racers {
        let speed = bytes.len() as f64 / racer.best / 1e6;
        println!(
            "{:<28} {speed:>9.0} MB/s   x {:.2}",
            racer.name,
            peer / racer.best
        );
    }
    println!();
}

fn main() {
    let mut tables = Box::new([[0; 256]; 8]);
    crc::init(&mut tables);
    let bytes: Vec<u8> = (0..LEN as u32)
        .map(|n| (n.wrapping_mul(n) >> 9) as u8)
        .collect();
    println!(
        "{} MiB, best of {ROUNDS}; x: compared with the peer",
        LEN >> 20
    );
    for kind in [VERIFY_CRC32, VERIFY_SHA256] {
        let best = Engine::new(kind, &tables);
        let mut engines = vec![best.portable()];
        if best.name() == best.portable().name() {
            println!("this CPU has no SHA or PCLMULQDQ instructions");
        } else {
            engines.push(best);
        }
        let mut racers: Vec<_> = engines
            .into_iter()
            .map(|engine| {
                let name = String::from_utf8_lossy(engine.name()).into_owned();
                let len = if kind == VERIFY_CRC32 { 4 } else { 32 };
                racer(&name, move |bytes| engine.digest(bytes)[..len].to_vec())
            })
            .collect();
        racers.push(if kind == VERIFY_CRC32 {
            racer("crc32fast", |bytes| {
                crc32fast::hash(bytes).to_le_bytes().to_vec()
            })
        } else {
            racer("sha2", |bytes| Sha256::digest(bytes).to_vec())
        });
        race(&bytes, racers);
    }
}
