#[key]
#[derive(Clone, Debug)]
pub enum Party {
    Card(u64),
    Account { bank: u32, number: u64 },
    Anonymous,
}
