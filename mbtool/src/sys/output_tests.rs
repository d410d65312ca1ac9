use super::*;

/// Accepts this many bytes, then fails each time.
struct Full(usize, ErrorKind);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.0);
        self.0 -= len;
        match len {
            0 => Err(self.1.into()),
            len => Ok(len),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn data_is_written_to_the_end() {
    let mut bytes = vec![];
    let mut out = DataOutput::new(BufWriter::new(&mut bytes));
    out.text("a\n");
    out.json(&[1]);
    writeln!(out, "b").unwrap();
    out.text("no newline");
    out.finish().unwrap();
    assert_eq!(bytes, b"a\n[\n  1\n]\nb\nno newline");
}

#[test]
fn a_verb_goes_on_where_its_data_cannot_be_written() {
    for (kind, is_error) in [
        (ErrorKind::BrokenPipe, false),
        (ErrorKind::StorageFull, true),
        (ErrorKind::Other, true),
    ] {
        let mut out = DataOutput::new(BufWriter::new(Full(1, kind)));
        out.text("a long text");
        writeln!(out, "more").unwrap();
        // it is buffered until here
        assert!(!out.push());
        out.json(&"more");
        out.record(Err(ErrorKind::TimedOut.into()));
        let found = out
            .finish()
            .err()
            .map(|OutputError::Write { source }| source.kind());
        assert_eq!(found, is_error.then_some(kind));
    }
}

/// Errors of writes and of the last flush.
#[test]
fn what_is_lost_in_a_buffer_is_an_error_too() {
    let mut out = DataOutput::new(BufWriter::new(Full(0, ErrorKind::StorageFull)));
    out.text("x");
    let OutputError::Write { source } = out.finish().unwrap_err();
    assert_eq!(source.kind(), ErrorKind::StorageFull);
    assert!(OutputError::Write { source }.fix().is_some());
}

#[test]
fn messages_are_lines_and_never_fail() {
    let mut bytes = vec![];
    let mut messages = Messages::new(&mut bytes);
    messages.say("a");
    messages.warn("b");
    messages.line("c");
    drop(messages);
    assert_eq!(bytes, b"mbtool: a\nmbtool: warning: b\nc\n");
    let mut messages = Messages::new(Full(3, ErrorKind::StorageFull));
    messages.say("a");
    writeln!(messages, "b").unwrap();
    messages.flush().unwrap();
}

#[test]
fn a_message_is_one_write() {
    struct Count(usize);
    impl Write for &mut Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    Messages::new(&mut count).warn(format_args!("{} {}", 1, 2));
    assert_eq!(count.0, 1);
}
