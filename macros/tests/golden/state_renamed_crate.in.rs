#[state(key = (u32, u16), name = "link-load", crate = tg)]
#[derive(Default)]
struct Load {
    bytes: u64,
}
