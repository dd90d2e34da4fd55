//! Agent to store, and the store's log: any bytes as a request, and as the body of one. Reading ends, and what was read says
//! the same when it is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use line::append::{Envelope, Group, Groups, Writer};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = Envelope::read(bytes) {
        let mut again = Vec::new();
        envelope.write(&mut again).expect("an envelope that was read can be written");
        assert_eq!(again, bytes);
        let _ = envelope.check(envelope.sent);
    }
    let groups: Vec<_> = Groups::new(bytes).map_while(Result::ok).collect();
    let mut writer = Writer::default();
    for group in &groups {
        let whose = group.whose();
        match group {
            Group::Machine(machine) => {
                let _ = machine.entries().map_while(Result::ok).count();
                writer.machine(whose.key, whose.host, whose.boot, machine.is_fill, machine.run)
            }
            Group::Import(import) => {
                for row in import.rows().map_while(Result::ok) {
                    assert_eq!(row.fields.len(), row.fields.count(), "fields are whole");
                }
                writer.import(whose.key, whose.host, whose.boot, import.run)
            }
        }
        .expect("a group that was read can be written");
    }
    let body = writer.finish();
    let again: Vec<_> = Groups::new(&body).map(|group| group.expect("just written")).collect();
    assert_eq!(again.len(), groups.len());
    for (one, other) in groups.iter().zip(&again) {
        assert_eq!((one.run(), &one.whose().address), (other.run(), &other.whose().address));
    }
});
