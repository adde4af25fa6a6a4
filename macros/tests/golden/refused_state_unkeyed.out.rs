#[derive(Default)]
pub struct Pending {
    lines: DealtList<Line>,
}
::core::compile_error! {
    "the state `Pending` is said to belong to a key and to a subtask\nhelp: keep `key = ..` for an operator behind `key_by`, or `unkeyed` for one on a stream without keys"
}
const _: () = {
    impl ::tidegate::__rt::serde::Serialize for Pending {
        fn serialize<S: ::tidegate::__rt::serde::Serializer>(
            &self,
            _: S,
        ) -> ::core::result::Result<S::Ok, S::Error> {
            ::core::unreachable!()
        }
    }
    impl<'de> ::tidegate::__rt::serde::Deserialize<'de> for Pending {
        fn deserialize<D: ::tidegate::__rt::serde::Deserializer<'de>>(
            _: D,
        ) -> ::core::result::Result<Self, D::Error> {
            ::core::unreachable!()
        }
    }
    impl ::tidegate::state::Describe for Pending {
        fn schema() -> ::tidegate::state::Schema {
            ::core::unreachable!()
        }
    }
    impl ::tidegate::state::Data for Pending
    where
        for<'__> Self: ::core::marker::Send + 'static,
    {}
    impl ::tidegate::state::UnkeyedState for Pending
    where
        for<'__> Self: 'static,
    {
        const NAME: &'static str = "";
        fn initial() -> Self {
            ::core::unreachable!()
        }
        fn fields() -> ::std::vec::Vec<::tidegate::state::Field> {
            ::core::unreachable!()
        }
        fn deal(_: ::std::vec::Vec<Self>, _: ::tidegate::state::Share) -> Self {
            ::core::unreachable!()
        }
    }
};
