#[derive(Default)]
pub struct Session {
    visits: u64,
    started: Option<EventTime>,
    scratch: Vec<u8>,
}
const _: () = {
    use ::tidegate::__rt::Unchecked as _;
    #[derive(::tidegate::__rt::serde::Serialize, ::tidegate::__rt::serde::Deserialize)]
    #[serde(
        crate = "::tidegate::__rt::serde",
        remote = "Session",
        rename = "Session",
        bound(
            serialize = "for<'__> Option<EventTime>: ::tidegate::__rt::serde::Serialize, for<'__> u64: ::tidegate::__rt::serde::Serialize",
            deserialize = "for<'__> Option<EventTime>: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> u64: ::tidegate::__rt::serde::Deserialize<'de>"
        )
    )]
    struct __Codec {
        visits: u64,
        started: Option<EventTime>,
        #[serde(skip)]
        scratch: Vec<u8>,
    }
    impl ::tidegate::__rt::serde::Serialize for Session {
        #[inline]
        fn serialize<S: ::tidegate::__rt::serde::Serializer>(
            &self,
            serializer: S,
        ) -> ::core::result::Result<S::Ok, S::Error> {
            __Codec::serialize(self, serializer)
        }
    }
    impl<'de> ::tidegate::__rt::serde::Deserialize<'de> for Session {
        #[inline]
        fn deserialize<D: ::tidegate::__rt::serde::Deserializer<'de>>(
            deserializer: D,
        ) -> ::core::result::Result<Self, D::Error> {
            __Codec::deserialize(deserializer)
        }
    }
    impl ::tidegate::state::Describe for Session {
        fn schema() -> ::tidegate::state::Schema {
            ::tidegate::state::Schema::Struct(
                ::std::string::String::from("Session"),
                ::std::vec::Vec::from([
                    ::tidegate::__rt::Checked::<u64>::field("visits")
                        .begins(::tidegate::__rt::Checked::<u64>::begins()),
                    ::tidegate::__rt::Checked::<Option<EventTime>>::field("began")
                        .begins(::tidegate::__rt::Checked::<Option<EventTime>>::begins()),
                ]),
            )
        }
    }
    impl ::tidegate::state::Data for Session {}
    impl ::tidegate::state::State for Session {
        type Key = String;
        fn initial() -> Self {
            ::tidegate::__rt::Checked::<Self>::initial()
        }
        fn schema() -> ::tidegate::state::StateSchema {
            ::tidegate::state::StateSchema {
                name: ::std::string::String::from("Session"),
                version: <Self as ::tidegate::state::State>::VERSION,
                key: ::tidegate::__rt::Checked::<String>::schema(),
                fields: ::std::vec::Vec::from([
                    ::tidegate::__rt::Checked::<u64>::field("visits")
                        .begins(::tidegate::__rt::Checked::<u64>::begins()),
                    ::tidegate::__rt::Checked::<Option<EventTime>>::field("began")
                        .begins(::tidegate::__rt::Checked::<Option<EventTime>>::begins()),
                ]),
            }
        }
    }
    impl ::tidegate::state::KeyedBy<String> for Session {
        type Through<H> = H;
        fn through<H>(head: H) -> H {
            head
        }
    }
    const _: fn() = || {
        ::tidegate::__rt::carried::<u64>();
        ::tidegate::__rt::carried::<Option<EventTime>>();
    };
    const _: fn() = || ::tidegate::__rt::initial::<Session>();
};
