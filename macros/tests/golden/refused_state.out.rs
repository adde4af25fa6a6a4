#[derive(Default)]
struct Session {
    visits: u64,
}
const _: () = {
    impl ::tidegate::__rt::serde::Serialize for Session {
        fn serialize<S: ::tidegate::__rt::serde::Serializer>(
            &self,
            _: S,
        ) -> ::core::result::Result<S::Ok, S::Error> {
            ::core::unreachable!()
        }
    }
    impl<'de> ::tidegate::__rt::serde::Deserialize<'de> for Session {
        fn deserialize<D: ::tidegate::__rt::serde::Deserializer<'de>>(
            _: D,
        ) -> ::core::result::Result<Self, D::Error> {
            ::core::unreachable!()
        }
    }
    impl ::tidegate::state::Describe for Session {
        fn schema() -> ::tidegate::state::Schema {
            ::core::unreachable!()
        }
    }
    impl ::tidegate::state::Data for Session
    where
        for<'__> Self: ::core::marker::Send + 'static,
    {}
    impl<__Key> ::tidegate::state::KeyedBy<__Key> for Session {
        type Through<H> = H;
        fn through<H>(head: H) -> H {
            head
        }
    }
    impl ::tidegate::state::State for Session
    where
        for<'__> Self: ::core::marker::Send + 'static,
    {
        type Key = [(); ::core::compile_error! {
            "the state `Session` does not say which keys it belongs to\nhelp: give the type that the stream is keyed by: `#[state(key = String)]`; one of an operator on a stream without keys is `#[state(unkeyed)]`"
        }];
        fn initial() -> Self {
            ::core::unreachable!()
        }
        fn schema() -> ::tidegate::state::StateSchema {
            ::core::unreachable!()
        }
    }
};
