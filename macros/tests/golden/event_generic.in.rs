#[event]
#[derive(Clone)]
struct Pair<A, B> {
    left: A,
    right: Vec<B>,
}
