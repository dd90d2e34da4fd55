//! Rows of a part as text, exactly: what two readers of the format are compared by.

use std::fmt::Write as _;

use super::error::Error;
use super::reader::Part;

/// All rows, frame by frame, a line each: org, app, time, pos, region, instance, host, boot, seq, span, kind, the message in hex, then
/// name=value in hex for each further field, by name. The same as `tests/format_reader.py` prints.
///
/// # Errors
/// When the disk fails or something is damaged.
pub fn listing(part: &Part) -> Result<String, Error> {
    let mut out = String::new();
    for index in 0..part.frames().len() {
        let rows = part.frame(index)?.decode()?;
        let mut fields: Vec<_> = rows.fields().iter().collect();
        fields.sort_unstable_by_key(|field| field.name());
        for row in 0..rows.len() {
            let head = rows.head(row);
            let source = &rows.sources()[rows.source_refs()[row] as usize];
            let (org, app, kind) = (rows.org(), rows.app(), rows.kind_bits()[row]);
            let (region, instance, host, boot) =
                (&source.region, &source.instance, &source.host, source.boot);
            // Writing to a string cannot fail.
            let _written = write!(
                out,
                "{org} {app} {} {} {region} {instance} {host} {boot} {} {} {kind} ",
                head.time, head.pos, head.seq, head.span
            );
            write_hex(rows.messages().get(row), &mut out);
            for field in fields.iter().filter(|field| !field.get(row).is_empty()) {
                let _written = write!(out, " {}=", field.name());
                write_hex(field.get(row), &mut out);
            }
            out.push('\n');
        }
    }
    Ok(out)
}

fn write_hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        let _written = write!(out, "{byte:02x}");
    }
}
