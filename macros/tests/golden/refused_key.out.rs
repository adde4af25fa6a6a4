struct Cell {
    latitude: [(); ::core::compile_error! {
        "the key's field `latitude` holds an `f64`, and floats have no stable equality: NaN is not itself, 0.0 is -0.0\nhelp: key by what you would group by: a rounded integer (cents, not euros), or the float's `to_bits()`"
    }],
    longitude: [(); ::core::compile_error! {
        "the key's field `longitude` holds an `f64`, and floats have no stable equality: NaN is not itself, 0.0 is -0.0\nhelp: key by what you would group by: a rounded integer (cents, not euros), or the float's `to_bits()`"
    }],
}
const _: () = {
    impl ::tidegate::__rt::serde::Serialize for Cell {
        fn serialize<S: ::tidegate::__rt::serde::Serializer>(
            &self,
            _: S,
        ) -> ::core::result::Result<S::Ok, S::Error> {
            ::core::unreachable!()
        }
    }
    impl<'de> ::tidegate::__rt::serde::Deserialize<'de> for Cell {
        fn deserialize<D: ::tidegate::__rt::serde::Deserializer<'de>>(
            _: D,
        ) -> ::core::result::Result<Self, D::Error> {
            ::core::unreachable!()
        }
    }
    impl ::tidegate::state::Describe for Cell {
        fn schema() -> ::tidegate::state::Schema {
            ::core::unreachable!()
        }
    }
    impl ::tidegate::state::Data for Cell
    where
        for<'__> Self: ::core::marker::Send + 'static,
    {}
    impl ::core::clone::Clone for Cell {
        fn clone(&self) -> Self {
            ::core::unreachable!()
        }
    }
    impl ::core::cmp::PartialEq for Cell {
        fn eq(&self, _: &Self) -> bool {
            ::core::unreachable!()
        }
    }
    impl ::core::cmp::Eq for Cell {}
    impl ::core::fmt::Debug for Cell {
        fn fmt(&self, _: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            ::core::unreachable!()
        }
    }
    impl ::tidegate::key::Key for Cell
    where
        Self: ::core::marker::Send + 'static,
    {
        fn encode(&self, _: &mut ::std::vec::Vec<u8>) {
            ::core::unreachable!()
        }
        fn decode(_: &mut &[u8]) -> ::core::option::Option<Self> {
            ::core::unreachable!()
        }
    }
};
