#[state(key = String)]
#[derive(Default)]
pub struct Session {
    visits: u64,
    #[state(name = "began")]
    started: Option<EventTime>,
    #[serde(skip)]
    scratch: Vec<u8>,
}
