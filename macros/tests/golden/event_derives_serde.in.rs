#[event]
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reading {
    sensor_id: u32,
}
