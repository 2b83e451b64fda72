//! From a line of a log to the texts in it, each with its stamp.
//!
//! A line is seldom one message: a serial console cuts lines, `tp_printk` puts trace events among them, a mail or a
//! journal puts words in front. So every printk stamp begins a text, wherever it is.

/// The clock of a stamp. The two have different zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clock {
    /// The one of the trace buffer: `0.731285:` before an event.
    Trace,
    /// The one of printk: `[    0.731285]` before a message.
    Printk,
}

impl Clock {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Clock::Trace => "trace",
            Clock::Printk => "printk",
        }
    }
}

/// A moment on one of the clocks, in nanoseconds.
pub type Stamp = (Clock, u64);

/// A text of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    /// When it was written; `None` where the line does not say so in a form that is read here.
    pub stamp: Option<Stamp>,
    /// The CPU that wrote it, where a trace says so.
    pub by: Option<u32>,
    /// What it says, without spaces around it.
    pub what: &'a str,
}

/// The names of the trace events that are read.
pub const TRACE_EVENTS: [&str; 3] = ["cpuhp_enter:", "cpuhp_multi_enter:", "cpuhp_exit:"];

/// The texts of a line, in their order.
pub fn texts(line: &str) -> Vec<Text<'_>> {
    let line = unquoted(line);
    let mut texts = Vec::new();
    let mut rest = line;
    let mut stamp = None;
    loop {
        let next = next_stamp(rest);
        let text = &rest[..next.map_or(rest.len(), |(from, _, _)| from)];
        push_events(&mut texts, stamp, text);
        let Some((_, to, time)) = next else { return texts };
        stamp = Some((Clock::Printk, time));
        rest = without_caller(&rest[to..]);
    }
}

/// Without the marks of a quotation, a console's log level and what a journal puts before a kernel's message.
fn unquoted(line: &str) -> &str {
    let mut line = line.trim();
    while let Some(rest) = line.strip_prefix(['>', '|']) {
        line = rest.trim_start();
    }
    if let Some((level, rest)) = line.strip_prefix('<').and_then(|rest| rest.split_once('>'))
        && !level.is_empty()
        && level.bytes().all(|byte| byte.is_ascii_digit())
    {
        line = rest;
    }
    line.find(" kernel: ").map_or(line, |at| {
        // With `-o short-monotonic` the journal's own stamp stands before the host's name: it is printk's clock.
        let message = &line[at + " kernel: ".len()..];
        if next_stamp(message).is_some() || next_stamp(line).is_none() { message } else { line }
    })
}

/// The next printk stamp: where it begins and ends, and its nanoseconds.
fn next_stamp(text: &str) -> Option<(usize, usize, u64)> {
    let mut from = 0;
    while let Some(at) = text[from..].find('[') {
        let begin = from + at;
        let inside = &text[begin + 1..];
        if let Some(end) = inside.find(']').filter(|end| *end <= 40) {
            // `dmesg -d` puts the distance from the line before into it.
            let time = inside[..end].split('<').next().unwrap_or_default().trim();
            if let Some(time) = nanoseconds(time).filter(|_| !inside.starts_with('.')) {
                return Some((begin, begin + end + 2, time));
            }
        }
        from = begin + 1;
    }
    None
}

/// Nanoseconds of `seconds.fraction`, with six or nine digits behind the point.
fn nanoseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || ![6, 9].contains(&fraction.len()) {
        return None;
    }
    let scale = if fraction.len() == 6 { 1000 } else { 1 };
    let seconds: u64 = seconds.parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction.parse::<u64>().ok()? * scale)
}

/// Without the caller that CONFIG_PRINTK_CALLER puts behind the stamp: `[    T1]`, `[   C12]`.
fn without_caller(text: &str) -> &str {
    let rest = text.trim_start();
    let inside = rest.strip_prefix('[').and_then(|inside| inside.split_once(']'));
    let Some((caller, after)) = inside else { return text };
    let number = caller.trim().strip_prefix(['T', 'C']).unwrap_or_default();
    let is_caller = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if is_caller { after } else { text }
}

/// Adds a text, or each trace event in it as one.
fn push_events<'a>(texts: &mut Vec<Text<'a>>, stamp: Option<Stamp>, text: &'a str) {
    let starts = |text: &str| TRACE_EVENTS.iter().filter_map(|name| text.find(name)).min();
    let (mut before, mut rest) = match starts(text) {
        Some(at) => text.split_at(at),
        None => {
            let what = text.trim();
            if !what.is_empty() {
                texts.push(Text { stamp, by: None, what });
            }
            return;
        }
    };
    loop {
        let name = rest.find(':').map_or(0, |colon| colon + 1);
        let next = starts(&rest[name..]).map(|at| at + name);
        let (what, after) = rest.split_at(next.unwrap_or(rest.len()));
        let (by, traced) = trace_head(before);
        let stamp = traced.map(|time| (Clock::Trace, time)).or(stamp);
        texts.push(Text { stamp, by, what: what.trim() });
        if next.is_none() {
            return;
        }
        // What stands before the next event is the end of this one, and the head of that.
        (before, rest) = (what, after);
    }
}

/// The CPU and the stamp in what stands before a trace event: `swapper/0-1  [000] .....  0.731285: `.
pub fn trace_head(head: &str) -> (Option<u32>, Option<u64>) {
    let Some(head) = head.trim_end().strip_suffix(':') else { return (None, None) };
    let head = head.trim_end();
    let token = head.split_ascii_whitespace().next_back().unwrap_or_default();
    // With the option latency-format: microseconds since the trace began.
    let relative = || token.trim_end_matches(['+', '!', '#', '$', '@', '*']).strip_suffix("us");
    let microseconds = || relative()?.parse::<u64>().ok()?.checked_mul(1000);
    let time = nanoseconds(token).or_else(microseconds);
    let cpu = head.rsplit_once('[').and_then(|(_, rest)| rest.split_once(']'));
    (cpu.and_then(|(cpu, _)| cpu.trim().parse().ok()), time)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read<'a> = (Option<Stamp>, Option<u32>, &'a str);

    fn read(line: &str) -> Vec<Read<'_>> {
        texts(line).into_iter().map(|text| (text.stamp, text.by, text.what)).collect()
    }

    const AT: Option<Stamp> = Some((Clock::Printk, 350_281_000));

    #[test]
    fn a_message_is_found_behind_whatever_stands_before_it() {
        for line in [
            "[    0.350281] smp: hello",
            "> > [    0.350281] smp: hello\r",
            "<6>[    0.350281] smp: hello",
            "[    0.350281][    T1] smp: hello",
            "[    0.350281] [   C12] smp: hello",
            "[    0.350281 <    0.000312>] smp: hello",
            "Oct 26 10:00:00 host kernel: [    0.350281] smp: hello",
        ] {
            assert_eq!(read(line), [(AT, None, "smp: hello")], "{line}");
        }
        assert_eq!(read("Oct 26 10:00:00 host kernel: smp: hello"), [(None, None, "smp: hello")]);
        let wall = "[Mon Oct 26 10:00:00 2026] smp: hello";
        assert_eq!(read(wall), [(None, None, wall)]);
    }

    #[test]
    fn a_line_that_another_cuts_is_two_texts() {
        let line = "[    0.350281] node  #0, CPUs:  #1[    0.127218] kvm-clock: cpu 1";
        let second = Some((Clock::Printk, 127_218_000));
        assert_eq!(
            read(line),
            [(AT, None, "node  #0, CPUs:  #1"), (second, None, "kvm-clock: cpu 1")]
        );
    }

    #[test]
    fn the_stamp_of_a_trace_is_on_its_own_clock() {
        let event = "cpuhp_exit: cpu: 0001 state: 85 step: 85 ret: 0";
        let time = Some((Clock::Trace, 953_417_000));
        for head in [
            "       swapper/0-1       [000] .....     0.953417: ",
            "  swapper/0-1   [000]     0.953417: ",
            "          <idle>-0       [000] dN.2.     0.953417000: ",
            "[    7.000001]   swapper/0-1       [000] .....     0.953417: ",
        ] {
            assert_eq!(read(&format!("{head}{event}")), [(time, Some(0), event)], "{head}");
        }
        assert_eq!(read(&format!("[    0.350281] {event}")), [(AT, None, event)]);
        let relative = format!("  cpuhp/1-24   1.....  953417us+: {event}");
        assert_eq!(read(&relative), [(time, None, event)]);
        assert_eq!(read(event), [(None, None, event)]);
    }

    #[test]
    fn two_events_in_a_line_are_two_texts() {
        let line = "swapper/0-1 [000] ..... 0.953417: cpuhp_exit: cpu: 0001 swapper/0-1 [002] ..... 0.953418: cpuhp_enter: cpu: 0002";
        let texts = read(line);
        assert_eq!(texts.len(), 2);
        assert_eq!(
            texts[1],
            (Some((Clock::Trace, 953_418_000)), Some(2), "cpuhp_enter: cpu: 0002")
        );
    }
}
