#[derive(Hash)]
struct Link {
    router: String,
    port: u16,
}
const _: () = {
    use ::tidegate::__rt::Unchecked as _;
    #[derive(::tidegate::__rt::serde::Serialize, ::tidegate::__rt::serde::Deserialize)]
    #[serde(
        crate = "::tidegate::__rt::serde",
        remote = "Link",
        rename = "Link",
        bound(
            serialize = "for<'__> String: ::tidegate::__rt::serde::Serialize, for<'__> u16: ::tidegate::__rt::serde::Serialize",
            deserialize = "for<'__> String: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> u16: ::tidegate::__rt::serde::Deserialize<'de>"
        )
    )]
    struct __Codec {
        router: String,
        port: u16,
    }
    impl ::tidegate::__rt::serde::Serialize for Link {
        #[inline]
        fn serialize<S: ::tidegate::__rt::serde::Serializer>(
            &self,
            serializer: S,
        ) -> ::core::result::Result<S::Ok, S::Error> {
            __Codec::serialize(self, serializer)
        }
    }
    impl<'de> ::tidegate::__rt::serde::Deserialize<'de> for Link {
        #[inline]
        fn deserialize<D: ::tidegate::__rt::serde::Deserializer<'de>>(
            deserializer: D,
        ) -> ::core::result::Result<Self, D::Error> {
            __Codec::deserialize(deserializer)
        }
    }
    impl ::tidegate::state::Describe for Link {
        fn schema() -> ::tidegate::state::Schema {
            ::tidegate::state::Schema::Struct(
                ::std::string::String::from("Link"),
                ::std::vec::Vec::from([
                    ::tidegate::__rt::Checked::<String>::field("router")
                        .begins(::tidegate::__rt::Checked::<String>::begins()),
                    ::tidegate::__rt::Checked::<u16>::field("port")
                        .begins(::tidegate::__rt::Checked::<u16>::begins()),
                ]),
            )
        }
    }
    impl ::tidegate::state::Data for Link {}
    #[automatically_derived]
    impl ::core::clone::Clone for Link {
        #[inline]
        fn clone(&self) -> Self {
            match self {
                Self { router: part0, port: part1 } => {
                    Self {
                        router: ::tidegate::__rt::Checked::<String>::cloned(part0),
                        port: ::tidegate::__rt::Checked::<u16>::cloned(part1),
                    }
                }
            }
        }
    }
    #[automatically_derived]
    impl ::core::cmp::PartialEq for Link {
        #[inline]
        fn eq(&self, other: &Self) -> bool {
            match (self, other) {
                (
                    Self { router: left0, port: left1 },
                    Self { router: right0, port: right1 },
                ) => {
                    ::tidegate::__rt::Checked::<String>::equal(left0, right0)
                        && ::tidegate::__rt::Checked::<u16>::equal(left1, right1)
                }
            }
        }
    }
    #[automatically_derived]
    impl ::core::cmp::Eq for Link {}
    #[automatically_derived]
    impl ::core::fmt::Debug for Link {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            match self {
                Self { router: part0, port: part1 } => {
                    f.debug_struct("Link")
                        .field(
                            "router",
                            ::tidegate::__rt::Checked::<String>::debug(part0),
                        )
                        .field("port", ::tidegate::__rt::Checked::<u16>::debug(part1))
                        .finish()
                }
            }
        }
    }
    impl ::tidegate::key::Key for Link {
        fn encode(&self, bytes: &mut ::std::vec::Vec<u8>) {
            match self {
                Self { router: part0, port: part1 } => {
                    ::tidegate::__rt::Checked::<String>::encode(part0, bytes);
                    ::tidegate::__rt::Checked::<u16>::encode(part1, bytes);
                }
            }
        }
        fn decode(bytes: &mut &[u8]) -> ::core::option::Option<Self> {
            ::core::option::Option::Some(Self {
                router: ::tidegate::__rt::Checked::<String>::decode(bytes)?,
                port: ::tidegate::__rt::Checked::<u16>::decode(bytes)?,
            })
        }
    }
    const _: fn() = || {
        ::tidegate::__rt::part_of_key::<String>();
        ::tidegate::__rt::part_of_key::<u16>();
    };
};
