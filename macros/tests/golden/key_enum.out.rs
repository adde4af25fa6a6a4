#[derive(Clone, Debug)]
pub enum Party {
    Card(u64),
    Account { bank: u32, number: u64 },
    Anonymous,
}
const _: () = {
    use ::tidegate::__rt::Unchecked as _;
    #[derive(::tidegate::__rt::serde::Serialize, ::tidegate::__rt::serde::Deserialize)]
    #[serde(
        crate = "::tidegate::__rt::serde",
        remote = "Party",
        rename = "Party",
        bound(
            serialize = "for<'__> u32: ::tidegate::__rt::serde::Serialize, for<'__> u64: ::tidegate::__rt::serde::Serialize",
            deserialize = "for<'__> u32: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> u64: ::tidegate::__rt::serde::Deserialize<'de>"
        )
    )]
    enum __Codec {
        Card(u64),
        Account { bank: u32, number: u64 },
        Anonymous,
    }
    impl ::tidegate::__rt::serde::Serialize for Party {
        #[inline]
        fn serialize<S: ::tidegate::__rt::serde::Serializer>(
            &self,
            serializer: S,
        ) -> ::core::result::Result<S::Ok, S::Error> {
            __Codec::serialize(self, serializer)
        }
    }
    impl<'de> ::tidegate::__rt::serde::Deserialize<'de> for Party {
        #[inline]
        fn deserialize<D: ::tidegate::__rt::serde::Deserializer<'de>>(
            deserializer: D,
        ) -> ::core::result::Result<Self, D::Error> {
            __Codec::deserialize(deserializer)
        }
    }
    impl ::tidegate::state::Describe for Party {
        fn schema() -> ::tidegate::state::Schema {
            ::tidegate::state::Schema::Enum(
                ::std::string::String::from("Party"),
                ::std::vec::Vec::from([
                    ::tidegate::state::Variant::new(
                        "Card",
                        ::std::vec::Vec::from([
                            ::tidegate::__rt::Checked::<u64>::field("0")
                                .begins(::tidegate::__rt::Checked::<u64>::begins()),
                        ]),
                    ),
                    ::tidegate::state::Variant::new(
                        "Account",
                        ::std::vec::Vec::from([
                            ::tidegate::__rt::Checked::<u32>::field("bank")
                                .begins(::tidegate::__rt::Checked::<u32>::begins()),
                            ::tidegate::__rt::Checked::<u64>::field("number")
                                .begins(::tidegate::__rt::Checked::<u64>::begins()),
                        ]),
                    ),
                    ::tidegate::state::Variant::new(
                        "Anonymous",
                        ::std::vec::Vec::from([]),
                    ),
                ]),
            )
        }
    }
    impl ::tidegate::state::Data for Party {}
    #[automatically_derived]
    impl ::core::cmp::PartialEq for Party {
        #[inline]
        fn eq(&self, other: &Self) -> bool {
            match (self, other) {
                (Self::Card { 0: left0 }, Self::Card { 0: right0 }) => {
                    ::tidegate::__rt::Checked::<u64>::equal(left0, right0)
                }
                (
                    Self::Account { bank: left0, number: left1 },
                    Self::Account { bank: right0, number: right1 },
                ) => {
                    ::tidegate::__rt::Checked::<u32>::equal(left0, right0)
                        && ::tidegate::__rt::Checked::<u64>::equal(left1, right1)
                }
                (Self::Anonymous {}, Self::Anonymous {}) => true,
                _ => false,
            }
        }
    }
    #[automatically_derived]
    impl ::core::cmp::Eq for Party {}
    impl ::tidegate::key::Key for Party {
        fn encode(&self, bytes: &mut ::std::vec::Vec<u8>) {
            match self {
                Self::Card { 0: part0 } => {
                    ::tidegate::key::Key::encode(&0u32, bytes);
                    ::tidegate::__rt::Checked::<u64>::encode(part0, bytes);
                }
                Self::Account { bank: part0, number: part1 } => {
                    ::tidegate::key::Key::encode(&1u32, bytes);
                    ::tidegate::__rt::Checked::<u32>::encode(part0, bytes);
                    ::tidegate::__rt::Checked::<u64>::encode(part1, bytes);
                }
                Self::Anonymous {} => {
                    ::tidegate::key::Key::encode(&2u32, bytes);
                }
            }
        }
        fn decode(bytes: &mut &[u8]) -> ::core::option::Option<Self> {
            match <u32 as ::tidegate::key::Key>::decode(bytes)? {
                0u32 => {
                    ::core::option::Option::Some(Self::Card {
                        0: ::tidegate::__rt::Checked::<u64>::decode(bytes)?,
                    })
                }
                1u32 => {
                    ::core::option::Option::Some(Self::Account {
                        bank: ::tidegate::__rt::Checked::<u32>::decode(bytes)?,
                        number: ::tidegate::__rt::Checked::<u64>::decode(bytes)?,
                    })
                }
                2u32 => ::core::option::Option::Some(Self::Anonymous {}),
                _ => ::core::option::Option::None,
            }
        }
    }
    const _: fn() = || {
        ::tidegate::__rt::part_of_key::<u64>();
        ::tidegate::__rt::part_of_key::<u32>();
        ::tidegate::__rt::part_of_key::<u64>();
    };
};
