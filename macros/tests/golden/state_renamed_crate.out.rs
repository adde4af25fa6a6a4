#[derive(Default)]
struct Load {
    bytes: u64,
}
const _: () = {
    use tg::__rt::Unchecked as _;
    #[derive(tg::__rt::serde::Serialize, tg::__rt::serde::Deserialize)]
    #[serde(
        crate = "tg::__rt::serde",
        remote = "Load",
        rename = "Load",
        bound(
            serialize = "for<'__> u64: tg::__rt::serde::Serialize",
            deserialize = "for<'__> u64: tg::__rt::serde::Deserialize<'de>"
        )
    )]
    struct __Codec {
        bytes: u64,
    }
    impl tg::__rt::serde::Serialize for Load {
        #[inline]
        fn serialize<S: tg::__rt::serde::Serializer>(
            &self,
            serializer: S,
        ) -> ::core::result::Result<S::Ok, S::Error> {
            __Codec::serialize(self, serializer)
        }
    }
    impl<'de> tg::__rt::serde::Deserialize<'de> for Load {
        #[inline]
        fn deserialize<D: tg::__rt::serde::Deserializer<'de>>(
            deserializer: D,
        ) -> ::core::result::Result<Self, D::Error> {
            __Codec::deserialize(deserializer)
        }
    }
    impl tg::state::Describe for Load {
        fn schema() -> tg::state::Schema {
            tg::state::Schema::Struct(
                ::std::string::String::from("Load"),
                ::std::vec::Vec::from([
                    tg::__rt::Checked::<u64>::field("bytes")
                        .begins(tg::__rt::Checked::<u64>::begins()),
                ]),
            )
        }
    }
    impl tg::state::Data for Load {}
    impl tg::state::State for Load {
        type Key = (u32, u16);
        fn initial() -> Self {
            tg::__rt::Checked::<Self>::initial()
        }
        fn schema() -> tg::state::StateSchema {
            tg::state::StateSchema {
                name: ::std::string::String::from("link-load"),
                version: <Self as tg::state::State>::VERSION,
                key: tg::__rt::Checked::<(u32, u16)>::schema(),
                fields: ::std::vec::Vec::from([
                    tg::__rt::Checked::<u64>::field("bytes")
                        .begins(tg::__rt::Checked::<u64>::begins()),
                ]),
            }
        }
    }
    impl tg::state::KeyedBy<(u32, u16)> for Load {
        type Through<H> = H;
        fn through<H>(head: H) -> H {
            head
        }
    }
    const _: fn() = || {
        tg::__rt::carried::<u64>();
    };
    const _: fn() = || tg::__rt::initial::<Load>();
};
