/// A page was asked for.
#[derive(Clone, Debug)]
pub struct Visit {
    pub user: String,
    pub url: String,
    pub at: EventTime,
    pub agent: agents::Agent,
}
const _: () = {
    use ::tidegate::__rt::Unchecked as _;
    #[derive(::tidegate::__rt::serde::Serialize, ::tidegate::__rt::serde::Deserialize)]
    #[serde(
        crate = "::tidegate::__rt::serde",
        remote = "Visit",
        rename = "Visit",
        bound(
            serialize = "for<'__> EventTime: ::tidegate::__rt::serde::Serialize, for<'__> String: ::tidegate::__rt::serde::Serialize, for<'__> agents::Agent: ::tidegate::__rt::serde::Serialize",
            deserialize = "for<'__> EventTime: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> String: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> agents::Agent: ::tidegate::__rt::serde::Deserialize<'de>"
        )
    )]
    struct __Codec {
        user: String,
        #[serde(rename = "path")]
        url: String,
        at: EventTime,
        #[serde(with = "::tidegate::__rt::opaque_bytes")]
        agent: agents::Agent,
    }
    impl ::tidegate::__rt::serde::Serialize for Visit {
        #[inline]
        fn serialize<S: ::tidegate::__rt::serde::Serializer>(
            &self,
            serializer: S,
        ) -> ::core::result::Result<S::Ok, S::Error> {
            __Codec::serialize(self, serializer)
        }
    }
    impl<'de> ::tidegate::__rt::serde::Deserialize<'de> for Visit {
        #[inline]
        fn deserialize<D: ::tidegate::__rt::serde::Deserializer<'de>>(
            deserializer: D,
        ) -> ::core::result::Result<Self, D::Error> {
            __Codec::deserialize(deserializer)
        }
    }
    impl ::tidegate::state::Describe for Visit {
        fn schema() -> ::tidegate::state::Schema {
            ::tidegate::state::Schema::Struct(
                ::std::string::String::from("Visit"),
                ::std::vec::Vec::from([
                    ::tidegate::__rt::Checked::<String>::field("user")
                        .begins(::tidegate::__rt::Checked::<String>::begins()),
                    ::tidegate::__rt::Checked::<String>::field("url")
                        .begins(::tidegate::__rt::Checked::<String>::begins()),
                    ::tidegate::__rt::Checked::<EventTime>::field("at")
                        .begins(::tidegate::__rt::Checked::<EventTime>::begins()),
                    ::tidegate::state::Field::opaque("agent", "agents::Agent")
                        .begins(::tidegate::__rt::Checked::<agents::Agent>::begins()),
                ]),
            )
        }
    }
    impl ::tidegate::state::Data for Visit {}
    impl ::tidegate::record::Event for Visit {
        #[inline]
        fn event_time(&self) -> ::tidegate::time::EventTime {
            <EventTime as ::tidegate::__rt::TimeField>::event_time(&self.at)
        }
    }
    const _: fn() = || {
        ::tidegate::__rt::carried::<String>();
        ::tidegate::__rt::carried::<String>();
        ::tidegate::__rt::carried::<EventTime>();
        ::tidegate::__rt::opaque::<agents::Agent>();
    };
};
