//! The line that stands in a log where records are missing.

use crate::notify::TARGET;
use crate::sys;

/// Returns true if a record is JSON, as far as its first byte shows.
pub(crate) fn is_json(record: &[u8]) -> bool {
    record.first() == Some(&b'{')
}

/// The line for `missing` records, in the format of the log's records: JSON, or the default text
/// format.
pub(crate) fn gap_line(why: &str, missing: u64, json: bool) -> String {
    let now = sys::timestamp();
    match json {
        // Nothing in it needs an escape.
        true => format!(
            concat!(
                r#"{{"timestamp":"{}","level":"WARN","#,
                r#""fields":{{"message":"records are missing here, {}","missing":{}}},"#,
                r#""target":"{}"}}"#,
                "\n"
            ),
            now, why, missing, TARGET
        ),
        false => {
            format!("{now}  WARN {TARGET}: records are missing here, {why} missing={missing}\n")
        }
    }
}
