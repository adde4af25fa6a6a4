#[event]
enum Alert {
    Raised { link: u32, bytes: u64 },
    Cleared(u32),
    Lost,
}
