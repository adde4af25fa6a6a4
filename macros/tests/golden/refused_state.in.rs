#[state]
#[derive(Default)]
struct Session {
    visits: u64,
}
