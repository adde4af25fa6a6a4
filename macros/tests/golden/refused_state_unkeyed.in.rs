#[state(key = String, unkeyed)]
#[derive(Default)]
pub struct Pending {
    lines: DealtList<Line>,
}
