#[derive(::tidegate::__rt::serde::Serialize, ::tidegate::__rt::serde::Deserialize)]
#[serde(crate = "::tidegate::__rt::serde")]
struct Tree<T> {
    leaf: T,
    #[serde(
        with = "::tidegate::__rt::opaque_bytes",
        bound(
            serialize = "T: ::tidegate::__rt::serde::Serialize",
            deserialize = "T: ::tidegate::__rt::serde::Deserialize<'de>"
        )
    )]
    branches: Vec<Tree<T>>,
}
const _: () = {
    use ::tidegate::__rt::Unchecked as _;
    impl<T: ::tidegate::state::Data> ::tidegate::state::Describe for Tree<T> {
        fn schema() -> ::tidegate::state::Schema {
            ::tidegate::state::Schema::Struct(
                ::std::string::String::from("Tree"),
                ::std::vec::Vec::from([
                    ::tidegate::__rt::Checked::<T>::field("leaf")
                        .begins(::tidegate::__rt::Checked::<T>::begins()),
                    ::tidegate::state::Field::opaque("branches", "Vec<Tree<T>>")
                        .begins(::tidegate::__rt::Checked::<Vec<Tree<T>>>::begins()),
                ]),
            )
        }
    }
    impl<T: ::tidegate::state::Data> ::tidegate::state::Data for Tree<T> {}
};
