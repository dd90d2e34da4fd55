//! What strangers send over HTTP: lines of JSON, arguments, where a token stands, and where a page begins.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for line in data.split(|&byte| byte == b'\n') {
        // Either it is understood, or it is said why not.
        if let Err(why) = api::probe::line(line, 1_795_341_600_000_000_000) {
            assert!(!why.is_empty() && why.len() < 1000);
        }
    }
    let (first, second) = data.split_at(data.len() / 2);
    if let Ok(text) = std::str::from_utf8(first) {
        api::probe::arguments(text, second);
        api::probe::login(text);
        // What we hand out is read as what it says.
        if let Some(token) = api::probe::page_token(text) {
            assert_eq!(api::probe::page_token(&token), Some(token));
        }
    }
});
