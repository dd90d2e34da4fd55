//! App to store: any messages, each several times with other numbers in it. What is written as templates comes back, and no row is passed
//! over that has the text which is looked for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use query::Text;
use store::part::{column_from_bytes, column_of, rows_that_may_have};

/// Most forms of messages, and how often each comes at most.
const FORMS: usize = 16;
const TIMES: u32 = 48;

fuzz_target!(|input: (bool, u8, u16, &[u8])| {
    let (is_fine, times, at, bytes) = input;
    let mut messages = Text::default();
    for number in 0..u32::from(times) % TIMES + 1 {
        for form in bytes.split(|&byte| byte == b'\n').take(FORMS) {
            messages.push(&filled(form, number.wrapping_mul(0x9e37_79b9) >> (number % 30)));
        }
    }
    let rows = messages.len();
    let column = column_of(&messages, is_fine).expect("there is memory");
    let read = column_from_bytes(&column, rows).expect("it was written so");
    let mut scratch = Vec::new();
    for row in 0..rows {
        assert_eq!(read.value(row, &mut scratch), messages.get(row));
    }
    // A piece of one of them, also from the middle of a number.
    let one = messages.get(usize::from(at) % rows);
    let from = usize::from(at >> 4) % (one.len() + 1);
    let text = one[from..(from + 1 + usize::from(at % 9)).min(one.len())].to_vec();
    let Some(may) = rows_that_may_have(&column, rows, &text).expect("it was written so") else { return };
    for (row, may) in may.into_iter().enumerate() {
        assert!(may || memchr::memmem::find(messages.get(row), &text).is_none(), "row {row} has {text:?}");
    }
});

/// The form with a number in place of each `#`.
fn filled(form: &[u8], number: u32) -> Vec<u8> {
    let number = number.to_string();
    form.split(|&byte| byte == b'#').collect::<Vec<_>>().join(number.as_bytes())
}
