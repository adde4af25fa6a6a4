#[derive(Default)]
pub struct Account {
    balance: i64,
    pages: Map<String, u64>,
    payments: List<Payment>,
    friends: Map<u64, ()>,
    attempts: tidegate::state::Value<u8>,
    seen: Map<u64, u64>,
}
const _: () = {
    use ::tidegate::__rt::Unchecked as _;
    use ::tidegate::__rt::Plain as _;
    #[derive(::tidegate::__rt::serde::Serialize, ::tidegate::__rt::serde::Deserialize)]
    #[serde(
        crate = "::tidegate::__rt::serde",
        remote = "Account",
        rename = "Account",
        bound(
            serialize = "for<'__> List<Payment>: ::tidegate::__rt::serde::Serialize, for<'__> Map<String, u64>: ::tidegate::__rt::serde::Serialize, for<'__> Map<u64, u64>: ::tidegate::__rt::serde::Serialize, for<'__> Map<u64,()>: ::tidegate::__rt::serde::Serialize, for<'__> i64: ::tidegate::__rt::serde::Serialize, for<'__> tidegate::state::Value<u8>: ::tidegate::__rt::serde::Serialize",
            deserialize = "for<'__> List<Payment>: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> Map<String, u64>: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> Map<u64, u64>: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> Map<u64,()>: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> i64: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> tidegate::state::Value<u8>: ::tidegate::__rt::serde::Deserialize<'de>"
        )
    )]
    struct __Codec {
        balance: i64,
        pages: Map<String, u64>,
        payments: List<Payment>,
        friends: Map<u64, ()>,
        attempts: tidegate::state::Value<u8>,
        seen: Map<u64, u64>,
    }
    impl ::tidegate::__rt::serde::Serialize for Account {
        #[inline]
        fn serialize<S: ::tidegate::__rt::serde::Serializer>(
            &self,
            serializer: S,
        ) -> ::core::result::Result<S::Ok, S::Error> {
            __Codec::serialize(self, serializer)
        }
    }
    impl<'de> ::tidegate::__rt::serde::Deserialize<'de> for Account {
        #[inline]
        fn deserialize<D: ::tidegate::__rt::serde::Deserializer<'de>>(
            deserializer: D,
        ) -> ::core::result::Result<Self, D::Error> {
            __Codec::deserialize(deserializer)
        }
    }
    impl ::tidegate::state::Describe for Account {
        fn schema() -> ::tidegate::state::Schema {
            ::tidegate::state::Schema::Struct(
                ::std::string::String::from("Account"),
                ::std::vec::Vec::from([
                    ::tidegate::__rt::Checked::<i64>::field("balance")
                        .begins(::tidegate::__rt::Checked::<i64>::begins()),
                    ::tidegate::__rt::Checked::<Map<String, u64>>::field("pages")
                        .begins(::tidegate::__rt::Checked::<Map<String, u64>>::begins())
                        .expiring(::tidegate::state::Ttl {
                            lasts: ::core::time::Duration::from_millis(604800000u64),
                            time: ::tidegate::state::TtlTime::Processing,
                            refresh: ::tidegate::state::Refresh::Write,
                        }),
                    ::tidegate::__rt::Checked::<List<Payment>>::field("latest")
                        .begins(::tidegate::__rt::Checked::<List<Payment>>::begins())
                        .expiring(::tidegate::state::Ttl {
                            lasts: ::core::time::Duration::from_millis(5400000u64),
                            time: ::tidegate::state::TtlTime::Event,
                            refresh: ::tidegate::state::Refresh::ReadAndWrite,
                        }),
                    ::tidegate::__rt::Checked::<Map<u64, ()>>::field("friends")
                        .begins(::tidegate::__rt::Checked::<Map<u64, ()>>::begins()),
                    ::tidegate::__rt::Checked::<
                        tidegate::state::Value<u8>,
                    >::field("attempts")
                        .begins(
                            ::tidegate::__rt::Checked::<
                                tidegate::state::Value<u8>,
                            >::begins(),
                        )
                        .expiring(::tidegate::state::Ttl {
                            lasts: ::core::time::Duration::from_millis(10000u64),
                            time: ::tidegate::state::TtlTime::Uptime,
                            refresh: ::tidegate::state::Refresh::Write,
                        }),
                    ::tidegate::__rt::Checked::<Map<u64, u64>>::field("seen")
                        .begins(::tidegate::__rt::Checked::<Map<u64, u64>>::begins()),
                ]),
            )
        }
    }
    impl ::tidegate::state::Data for Account
    where
        for<'__> Map<String, u64>: ::tidegate::state::Data,
        for<'__> List<Payment>: ::tidegate::state::Data,
        for<'__> Map<u64, ()>: ::tidegate::state::Data,
        for<'__> tidegate::state::Value<u8>: ::tidegate::state::Data,
        for<'__> Map<u64, u64>: ::tidegate::state::Data,
    {}
    impl ::tidegate::state::State for Account {
        type Key = String;
        fn initial() -> Self {
            ::tidegate::__rt::Checked::<Self>::initial()
        }
        fn schema() -> ::tidegate::state::StateSchema {
            ::tidegate::state::StateSchema {
                name: ::std::string::String::from("Account"),
                version: <Self as ::tidegate::state::State>::VERSION,
                key: ::tidegate::__rt::Checked::<String>::schema(),
                fields: ::std::vec::Vec::from([
                    ::tidegate::__rt::Checked::<i64>::field("balance")
                        .begins(::tidegate::__rt::Checked::<i64>::begins()),
                    ::tidegate::__rt::Checked::<Map<String, u64>>::field("pages")
                        .begins(::tidegate::__rt::Checked::<Map<String, u64>>::begins())
                        .expiring(::tidegate::state::Ttl {
                            lasts: ::core::time::Duration::from_millis(604800000u64),
                            time: ::tidegate::state::TtlTime::Processing,
                            refresh: ::tidegate::state::Refresh::Write,
                        }),
                    ::tidegate::__rt::Checked::<List<Payment>>::field("latest")
                        .begins(::tidegate::__rt::Checked::<List<Payment>>::begins())
                        .expiring(::tidegate::state::Ttl {
                            lasts: ::core::time::Duration::from_millis(5400000u64),
                            time: ::tidegate::state::TtlTime::Event,
                            refresh: ::tidegate::state::Refresh::ReadAndWrite,
                        }),
                    ::tidegate::__rt::Checked::<Map<u64, ()>>::field("friends")
                        .begins(::tidegate::__rt::Checked::<Map<u64, ()>>::begins()),
                    ::tidegate::__rt::Checked::<
                        tidegate::state::Value<u8>,
                    >::field("attempts")
                        .begins(
                            ::tidegate::__rt::Checked::<
                                tidegate::state::Value<u8>,
                            >::begins(),
                        )
                        .expiring(::tidegate::state::Ttl {
                            lasts: ::core::time::Duration::from_millis(10000u64),
                            time: ::tidegate::state::TtlTime::Uptime,
                            refresh: ::tidegate::state::Refresh::Write,
                        }),
                    ::tidegate::__rt::Checked::<Map<u64, u64>>::field("seen")
                        .begins(::tidegate::__rt::Checked::<Map<u64, u64>>::begins()),
                ]),
            }
        }
        const MANAGED: &'static [::tidegate::state::ManagedSpec] = {
            const FIELDS: [(bool, ::tidegate::state::ManagedSpec); 5usize] = [
                (
                    ::tidegate::__rt::InState::<Map<String, u64>>::MANAGED,
                    ::tidegate::state::ManagedSpec {
                        name: "pages",
                        ttl: ::core::option::Option::Some(::tidegate::state::Ttl {
                            lasts: ::core::time::Duration::from_millis(604800000u64),
                            time: ::tidegate::state::TtlTime::Processing,
                            refresh: ::tidegate::state::Refresh::Write,
                        }),
                        max: ::core::option::Option::None,
                    },
                ),
                (
                    ::tidegate::__rt::InState::<List<Payment>>::MANAGED,
                    ::tidegate::state::ManagedSpec {
                        name: "latest",
                        ttl: ::core::option::Option::Some(::tidegate::state::Ttl {
                            lasts: ::core::time::Duration::from_millis(5400000u64),
                            time: ::tidegate::state::TtlTime::Event,
                            refresh: ::tidegate::state::Refresh::ReadAndWrite,
                        }),
                        max: ::core::option::Option::Some(100),
                    },
                ),
                (
                    ::tidegate::__rt::InState::<Map<u64, ()>>::MANAGED,
                    ::tidegate::state::ManagedSpec {
                        name: "friends",
                        ttl: ::core::option::Option::None,
                        max: ::core::option::Option::None,
                    },
                ),
                (
                    ::tidegate::__rt::InState::<tidegate::state::Value<u8>>::MANAGED,
                    ::tidegate::state::ManagedSpec {
                        name: "attempts",
                        ttl: ::core::option::Option::Some(::tidegate::state::Ttl {
                            lasts: ::core::time::Duration::from_millis(10000u64),
                            time: ::tidegate::state::TtlTime::Uptime,
                            refresh: ::tidegate::state::Refresh::Write,
                        }),
                        max: ::core::option::Option::None,
                    },
                ),
                (
                    ::tidegate::__rt::InState::<Map<u64, u64>>::MANAGED,
                    ::tidegate::state::ManagedSpec {
                        name: "seen",
                        ttl: ::core::option::Option::None,
                        max: ::core::option::Option::None,
                    },
                ),
            ];
            &::tidegate::__rt::managed_specs::<
                { ::tidegate::__rt::managed_fields(&FIELDS) },
            >(&FIELDS)
        };
        fn managed<V: ::tidegate::state::ManagedVisitor>(
            &mut self,
            visitor: &mut V,
        ) -> ::tidegate::Result<()> {
            let next = &mut 0;
            ::tidegate::__rt::InState::<
                Map<String, u64>,
            >::visit(&mut self.pages, Self::MANAGED, next, visitor)?;
            ::tidegate::__rt::InState::<
                List<Payment>,
            >::visit(&mut self.payments, Self::MANAGED, next, visitor)?;
            ::tidegate::__rt::InState::<
                Map<u64, ()>,
            >::visit(&mut self.friends, Self::MANAGED, next, visitor)?;
            ::tidegate::__rt::InState::<
                tidegate::state::Value<u8>,
            >::visit(&mut self.attempts, Self::MANAGED, next, visitor)?;
            ::tidegate::__rt::InState::<
                Map<u64, u64>,
            >::visit(&mut self.seen, Self::MANAGED, next, visitor)?;
            ::core::result::Result::Ok(())
        }
    }
    impl ::tidegate::state::KeyedBy<String> for Account {
        type Through<H> = H;
        fn through<H>(head: H) -> H {
            head
        }
    }
    const _: fn() = || {
        ::tidegate::__rt::carried::<i64>();
        ::tidegate::__rt::InState::<Map<String, u64>>::kept();
        ::tidegate::__rt::InState::<List<Payment>>::kept();
        ::tidegate::__rt::InState::<Map<u64, ()>>::kept();
        ::tidegate::__rt::InState::<tidegate::state::Value<u8>>::kept();
        ::tidegate::__rt::InState::<Map<u64, u64>>::kept();
    };
    const _: fn() = || {
        ::tidegate::__rt::expires::<Map<String, u64>>();
        ::tidegate::__rt::expires::<List<Payment>>();
        ::tidegate::__rt::bounded::<List<Payment>>();
        ::tidegate::__rt::grows::<Map<u64, ()>>();
        ::tidegate::__rt::expires::<tidegate::state::Value<u8>>();
    };
    #[allow(dead_code)]
    struct __OnlyGrows<T>(::core::marker::PhantomData<T>);
    #[allow(dead_code)]
    impl<T: ::tidegate::state::kinds::Grows> __OnlyGrows<T> {
        #[deprecated(
            note = "the field `seen` of the state `Account` can only grow: nothing says when its entries go\nhelp: `#[state(ttl = \"7d\")]` lets them expire; `#[state(max = 100)]` keeps the newest of a `List`; if the operator removes them, write `#[state(unbounded)]`"
        )]
        fn seen() {}
    }
    #[allow(dead_code)]
    trait __DoesNot {
        fn seen() {}
    }
    impl<T> __DoesNot for __OnlyGrows<T> {}
    const _: fn() = || {
        __OnlyGrows::<Map<u64, u64>>::seen();
    };
    const _: fn() = || ::tidegate::__rt::initial::<Account>();
};
