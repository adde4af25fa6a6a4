enum Alert {
    Raised { at: OffsetDateTime, note: Option<String>, reason: http::StatusCode },
    Cleared,
}
const _: () = {
    use ::tidegate::__rt::Unchecked as _;
    #[derive(::tidegate::__rt::serde::Serialize, ::tidegate::__rt::serde::Deserialize)]
    #[serde(
        crate = "::tidegate::__rt::serde",
        remote = "Alert",
        rename = "Alert",
        bound(
            serialize = "for<'__> Option<String>: ::tidegate::__rt::serde::Serialize, for<'__> http::StatusCode: ::tidegate::__rt::serde::Serialize",
            deserialize = "for<'__> Option<String>: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> http::StatusCode: ::tidegate::__rt::serde::Deserialize<'de>"
        )
    )]
    #[serde(tag = "kind")]
    enum __Codec {
        Raised {
            #[serde(with = "rfc3339")]
            at: OffsetDateTime,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            note: Option<String>,
            #[serde(with = "::tidegate::__rt::opaque_bytes")]
            reason: http::StatusCode,
        },
        Cleared,
    }
    #[derive(::tidegate::__rt::serde::Serialize, ::tidegate::__rt::serde::Deserialize)]
    #[serde(
        crate = "::tidegate::__rt::serde",
        remote = "Alert",
        rename = "Alert",
        bound(
            serialize = "for<'__> Option<String>: ::tidegate::__rt::serde::Serialize, for<'__> http::StatusCode: ::tidegate::__rt::serde::Serialize",
            deserialize = "for<'__> Option<String>: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> http::StatusCode: ::tidegate::__rt::serde::Deserialize<'de>"
        )
    )]
    enum __Row {
        Raised {
            #[serde(with = "::tidegate::__rt::CustomBytes::<__Custom0>")]
            at: OffsetDateTime,
            note: Option<String>,
            #[serde(with = "::tidegate::__rt::opaque_bytes")]
            reason: http::StatusCode,
        },
        Cleared,
    }
    struct __Custom0;
    impl ::tidegate::__rt::Custom for __Custom0 {
        type Value = OffsetDateTime;
        fn serialize<S: ::tidegate::__rt::serde::Serializer>(
            value: &OffsetDateTime,
            serializer: S,
        ) -> ::core::result::Result<S::Ok, S::Error> {
            rfc3339::serialize(value, serializer)
        }
        fn deserialize<'de, D: ::tidegate::__rt::serde::Deserializer<'de>>(
            deserializer: D,
        ) -> ::core::result::Result<OffsetDateTime, D::Error> {
            rfc3339::deserialize(deserializer)
        }
    }
    impl ::tidegate::__rt::serde::Serialize for Alert {
        #[inline]
        fn serialize<S: ::tidegate::__rt::serde::Serializer>(
            &self,
            serializer: S,
        ) -> ::core::result::Result<S::Ok, S::Error> {
            if !::tidegate::__rt::serde::Serializer::is_human_readable(&serializer) {
                return __Row::serialize(self, serializer);
            }
            __Codec::serialize(self, serializer)
        }
    }
    impl<'de> ::tidegate::__rt::serde::Deserialize<'de> for Alert {
        #[inline]
        fn deserialize<D: ::tidegate::__rt::serde::Deserializer<'de>>(
            deserializer: D,
        ) -> ::core::result::Result<Self, D::Error> {
            if !::tidegate::__rt::serde::Deserializer::is_human_readable(&deserializer) {
                return __Row::deserialize(deserializer);
            }
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
                                ::tidegate::state::Field::opaque("at", "OffsetDateTime"),
                                ::tidegate::__rt::Checked::<Option<String>>::field("note")
                                    .begins(
                                        ::tidegate::__rt::Checked::<Option<String>>::begins(),
                                    ),
                                ::tidegate::state::Field::opaque(
                                        "reason",
                                        "http::StatusCode",
                                    )
                                    .begins(
                                        ::tidegate::__rt::Checked::<http::StatusCode>::begins(),
                                    )
                                    .was(&["cause"]),
                            ]),
                        )
                        .was(&["Started"]),
                    ::tidegate::state::Variant::new("Cleared", ::std::vec::Vec::from([])),
                ]),
            )
        }
    }
    impl ::tidegate::state::Data for Alert {}
    const _: fn() = || {
        ::tidegate::__rt::carried::<Option<String>>();
        ::tidegate::__rt::opaque::<http::StatusCode>();
    };
};
