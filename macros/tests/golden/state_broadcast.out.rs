#[derive(Default)]
pub struct Rates {
    rates: BTreeMap<String, u64>,
    told: u64,
}
const _: () = {
    use ::tidegate::__rt::Unchecked as _;
    #[derive(::tidegate::__rt::serde::Serialize, ::tidegate::__rt::serde::Deserialize)]
    #[serde(
        crate = "::tidegate::__rt::serde",
        remote = "Rates",
        rename = "Rates",
        bound(
            serialize = "for<'__> BTreeMap<String, u64>: ::tidegate::__rt::serde::Serialize, for<'__> u64: ::tidegate::__rt::serde::Serialize",
            deserialize = "for<'__> BTreeMap<String, u64>: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> u64: ::tidegate::__rt::serde::Deserialize<'de>"
        )
    )]
    struct __Codec {
        rates: BTreeMap<String, u64>,
        told: u64,
    }
    impl ::tidegate::__rt::serde::Serialize for Rates {
        #[inline]
        fn serialize<S: ::tidegate::__rt::serde::Serializer>(
            &self,
            serializer: S,
        ) -> ::core::result::Result<S::Ok, S::Error> {
            __Codec::serialize(self, serializer)
        }
    }
    impl<'de> ::tidegate::__rt::serde::Deserialize<'de> for Rates {
        #[inline]
        fn deserialize<D: ::tidegate::__rt::serde::Deserializer<'de>>(
            deserializer: D,
        ) -> ::core::result::Result<Self, D::Error> {
            __Codec::deserialize(deserializer)
        }
    }
    impl ::tidegate::state::BroadcastState for Rates {
        const NAME: ::core::option::Option<&'static str> = ::core::option::Option::Some(
            "tariff",
        );
        fn initial() -> Self {
            ::tidegate::__rt::Checked::<Self>::initial()
        }
        fn fields() -> ::std::vec::Vec<::tidegate::state::Field> {
            ::std::vec::Vec::from([
                ::tidegate::__rt::Checked::<BTreeMap<String, u64>>::field("rates")
                    .begins(
                        ::tidegate::__rt::Checked::<BTreeMap<String, u64>>::begins(),
                    ),
                ::tidegate::__rt::Checked::<u64>::field("told")
                    .begins(::tidegate::__rt::Checked::<u64>::begins()),
            ])
        }
    }
    const _: fn() = || {
        ::tidegate::__rt::carried::<BTreeMap<String, u64>>();
        ::tidegate::__rt::carried::<u64>();
    };
    const _: fn() = || ::tidegate::__rt::initial::<Rates>();
};
