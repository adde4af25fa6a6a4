#[derive(::tidegate::__rt::serde::Serialize, ::tidegate::__rt::serde::Deserialize)]
#[serde(crate = "::tidegate::__rt::serde")]
#[derive(Clone)]
struct Pair<A, B> {
    left: A,
    right: Vec<B>,
}
const _: () = {
    use ::tidegate::__rt::Unchecked as _;
    impl<
        A: ::tidegate::state::Data,
        B: ::tidegate::state::Data,
    > ::tidegate::state::Describe for Pair<A, B> {
        fn schema() -> ::tidegate::state::Schema {
            ::tidegate::state::Schema::Struct(
                ::std::string::String::from("Pair"),
                ::std::vec::Vec::from([
                    ::tidegate::__rt::Checked::<A>::field("left")
                        .begins(::tidegate::__rt::Checked::<A>::begins()),
                    ::tidegate::__rt::Checked::<Vec<B>>::field("right")
                        .begins(::tidegate::__rt::Checked::<Vec<B>>::begins()),
                ]),
            )
        }
    }
    impl<A: ::tidegate::state::Data, B: ::tidegate::state::Data> ::tidegate::state::Data
    for Pair<A, B> {}
};
