#[state(unkeyed)]
#[derive(Default)]
pub struct Pending {
    lines: DealtList<Line>,
    #[state(name = "seen")]
    files: UnionList<String>,
    #[serde(skip)]
    bytes: u64,
}
