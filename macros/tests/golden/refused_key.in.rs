#[key]
struct Cell {
    latitude: f64,
    longitude: f64,
}
