//! A reader of a job's results, who sees what everybody may see: the files that are called `*.jsonl`.

use std::path::Path;

use serde_json::Value;

use super::Session;

/// Every result that is visible in `dir`. There is none if there is no directory yet.
pub fn results(dir: &Path) -> Vec<Value> {
    let Ok(entries) = dir.read_dir() else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    paths.iter().flat_map(|path| lines(&std::fs::read_to_string(path).unwrap())).collect()
}

/// JSON lines, all of them whole.
pub fn lines(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is not whole: {text}");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// The sessions among results, sorted.
pub fn sessions(results: &[Value]) -> Vec<Session> {
    let mut sessions: Vec<_> = results.iter().map(session).collect();
    sessions.sort();
    sessions
}

fn session(value: &Value) -> Session {
    let number = |name: &str| value[name].as_i64().unwrap_or_else(|| panic!("no {name} in {value}"));
    let user = value["user"].as_str().unwrap_or_else(|| panic!("no user in {value}")).to_string();
    assert_eq!(value.as_object().map(serde_json::Map::len), Some(4), "{value}");
    Session { user, first: number("first"), last: number("last"), visits: number("visits") }
}
