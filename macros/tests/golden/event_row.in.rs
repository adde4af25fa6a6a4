#[event]
#[serde(tag = "kind")]
enum Alert {
    #[event(was = "Started")]
    Raised {
        #[serde(with = "rfc3339")]
        at: OffsetDateTime,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        #[event(opaque, was = "cause")]
        reason: http::StatusCode,
    },
    Cleared,
}
