//! Names of the user's in names of files.

use xxhash_rust::xxh3::xxh3_64;

/// A name that every file system takes, and that is another one for every other `name`.
///
/// Names of small letters, digits, `-` and `_` stand for themselves. Others keep what they can, for people, and are told
/// apart by a hash; it follows a dot, which the former never have.
pub(crate) fn portable_name(name: &str) -> String {
    let portable = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if (1..=PLAIN_NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(portable) {
        return name.to_string();
    }
    let readable: String = name
        .chars()
        .take(40)
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if portable(c) { c } else { '-' })
        .collect();
    format!("x-{readable}.{:016x}", xxh3_64(name.as_bytes()))
}

const PLAIN_NAME_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_portable_and_stay_different() {
        assert_eq!(portable_name("count-visits"), "count-visits");
        let long = "x".repeat(300);
        let names = ["Count", "count", "", "../etc", "--\u{e4}tc", "a.b", "a-b", "a b", long.as_str()]
            .map(portable_name);
        for (i, name) in names.iter().enumerate() {
            assert!(!names[..i].contains(name), "{name} twice");
            assert!(name.len() <= 64 && !name.contains(['/', '\\', ' ']) && !name.starts_with('.'), "{name}");
        }
    }
}
