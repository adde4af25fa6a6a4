enum Alert {
    Raised { link: u32, bytes: u64 },
    Cleared(u32),
    Lost,
}
const _: () = {
    use ::tidegate::__rt::Unchecked as _;
    #[derive(::tidegate::__rt::serde::Serialize, ::tidegate::__rt::serde::Deserialize)]
    #[serde(
        crate = "::tidegate::__rt::serde",
        remote = "Alert",
        rename = "Alert",
        bound(
            serialize = "for<'__> u32: ::tidegate::__rt::serde::Serialize, for<'__> u64: ::tidegate::__rt::serde::Serialize",
            deserialize = "for<'__> u32: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> u64: ::tidegate::__rt::serde::Deserialize<'de>"
        )
    )]
    enum __Codec {
        Raised { link: u32, bytes: u64 },
        Cleared(u32),
        Lost,
    }
    impl ::tidegate::__rt::serde::Serialize for Alert {
        #[inline]
        fn serialize<S: ::tidegate::__rt::serde::Serializer>(
            &self,
            serializer: S,
        ) -> ::core::result::Result<S::Ok, S::Error> {
            __Codec::serialize(self, serializer)
        }
    }
    impl<'de> ::tidegate::__rt::serde::Deserialize<'de> for Alert {
        #[inline]
        fn deserialize<D: ::tidegate::__rt::serde::Deserializer<'de>>(
            deserializer: D,
        ) -> ::core::result::Result<Self, D::Error> {
            __Codec::deserialize(deserializer)
        }
    }
    impl ::tidegate::state::Describe for Alert {
        fn schema() -> ::tidegate::state::Schema {
            ::tidegate::state::Schema::Enum(
                ::std::string::String::from("Alert"),
                ::std::vec::Vec::from([
                    ::tidegate::state::Variant::new(
                        "Raised",
                        ::std::vec::Vec::from([
                            ::tidegate::__rt::Checked::<u32>::field("link")
                                .begins(::tidegate::__rt::Checked::<u32>::begins()),
                            ::tidegate::__rt::Checked::<u64>::field("bytes")
                                .begins(::tidegate::__rt::Checked::<u64>::begins()),
                        ]),
                    ),
                    ::tidegate::state::Variant::new(
                        "Cleared",
                        ::std::vec::Vec::from([
                            ::tidegate::__rt::Checked::<u32>::field("0")
                                .begins(::tidegate::__rt::Checked::<u32>::begins()),
                        ]),
                    ),
                    ::tidegate::state::Variant::new("Lost", ::std::vec::Vec::from([])),
                ]),
            )
        }
    }
    impl ::tidegate::state::Data for Alert {}
    const _: fn() = || {
        ::tidegate::__rt::carried::<u32>();
        ::tidegate::__rt::carried::<u64>();
        ::tidegate::__rt::carried::<u32>();
    };
};
