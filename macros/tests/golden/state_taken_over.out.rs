#[derive(Default)]
struct Account {
    balance: i64,
    flagged: bool,
}
const _: () = {
    use ::tidegate::__rt::Unchecked as _;
    #[derive(::tidegate::__rt::serde::Serialize, ::tidegate::__rt::serde::Deserialize)]
    #[serde(
        crate = "::tidegate::__rt::serde",
        remote = "Account",
        rename = "Account",
        bound(
            serialize = "for<'__> bool: ::tidegate::__rt::serde::Serialize, for<'__> i64: ::tidegate::__rt::serde::Serialize",
            deserialize = "for<'__> bool: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> i64: ::tidegate::__rt::serde::Deserialize<'de>"
        )
    )]
    struct __Codec {
        balance: i64,
        flagged: bool,
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
                        .begins(::tidegate::__rt::Checked::<i64>::begins())
                        .was(&["sum"]),
                    ::tidegate::__rt::Checked::<bool>::field("flagged")
                        .begins(::tidegate::__rt::Checked::<bool>::begins())
                        .was(&["flag", "is_flagged"]),
                ]),
            )
        }
    }
    impl ::tidegate::state::Data for Account {}
    impl ::tidegate::state::State for Account {
        type Key = AccountId;
        const VERSION: u32 = 2;
        fn initial() -> Self {
            ::tidegate::__rt::Checked::<Self>::initial()
        }
        fn schema() -> ::tidegate::state::StateSchema {
            ::tidegate::state::StateSchema {
                name: ::std::string::String::from("Account"),
                version: <Self as ::tidegate::state::State>::VERSION,
                key: ::tidegate::__rt::Checked::<AccountId>::schema(),
                fields: ::std::vec::Vec::from([
                    ::tidegate::__rt::Checked::<i64>::field("balance")
                        .begins(::tidegate::__rt::Checked::<i64>::begins())
                        .was(&["sum"]),
                    ::tidegate::__rt::Checked::<bool>::field("flagged")
                        .begins(::tidegate::__rt::Checked::<bool>::begins())
                        .was(&["flag", "is_flagged"]),
                ]),
            }
        }
        fn migration() -> ::core::option::Option<::tidegate::state::Migration> {
            ::tidegate::__rt::Checked::<(OldAccount, Self)>::migration()
        }
    }
    impl ::tidegate::state::KeyedBy<AccountId> for Account {
        type Through<H> = H;
        fn through<H>(head: H) -> H {
            head
        }
    }
    const _: fn() = || {
        ::tidegate::__rt::carried::<i64>();
        ::tidegate::__rt::carried::<bool>();
    };
    const _: fn() = || ::tidegate::__rt::initial::<Account>();
    const _: fn() = || ::tidegate::__rt::taken_over::<OldAccount, Account, AccountId>();
    const _: () = ::core::assert!(
        ::tidegate::__rt::Checked:: < OldAccount > ::VERSION < < Account as
        ::tidegate::state::State > ::VERSION,
        "a state counts its versions up, and `OldAccount` is not older than `Account`, which is taken over from it: raise the version of `Account`"
    );
};
