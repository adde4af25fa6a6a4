#[event(time = when)]
#[derive(Clone)]
struct Visit {
    user: String,
    seen: Rc<Cell<u64>>,
    at: EventTime,
}
