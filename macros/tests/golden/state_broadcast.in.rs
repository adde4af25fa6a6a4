#[state(broadcast, name = "tariff")]
#[derive(Default)]
pub struct Rates {
    rates: BTreeMap<String, u64>,
    told: u64,
}
