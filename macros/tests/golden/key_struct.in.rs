#[key]
#[derive(Hash)]
struct Link {
    router: String,
    port: u16,
}
