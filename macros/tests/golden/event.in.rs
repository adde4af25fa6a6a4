/// A page was asked for.
#[event(time = at)]
#[derive(Clone, Debug)]
pub struct Visit {
    pub user: String,
    #[serde(rename = "path")]
    pub url: String,
    pub at: EventTime,
    #[event(opaque)]
    pub agent: agents::Agent,
}
