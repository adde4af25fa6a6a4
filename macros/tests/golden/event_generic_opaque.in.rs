#[event]
struct Tree<T> {
    leaf: T,
    branches: Vec<Tree<T>>,
}
