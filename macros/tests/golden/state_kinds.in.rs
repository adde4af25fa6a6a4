#[state(key = String)]
#[derive(Default)]
pub struct Account {
    balance: i64,
    #[state(ttl = "7d")]
    pages: Map<String, u64>,
    #[state(name = "latest", max = 100, ttl = "1h 30min", time = "event", refresh = "read-and-write")]
    payments: List<Payment>,
    #[state(unbounded)]
    friends: Map<u64, ()>,
    #[state(ttl = "10s", time = "uptime")]
    attempts: tidegate::state::Value<u8>,
    seen: Map<u64, u64>,
}
