#[derive(Default)]
pub struct Pending {
    lines: DealtList<Line>,
    files: UnionList<String>,
    bytes: u64,
}
const _: () = {
    use ::tidegate::__rt::Unchecked as _;
    #[derive(::tidegate::__rt::serde::Serialize, ::tidegate::__rt::serde::Deserialize)]
    #[serde(
        crate = "::tidegate::__rt::serde",
        remote = "Pending",
        rename = "Pending",
        bound(
            serialize = "for<'__> DealtList<Line>: ::tidegate::__rt::serde::Serialize, for<'__> UnionList<String>: ::tidegate::__rt::serde::Serialize",
            deserialize = "for<'__> DealtList<Line>: ::tidegate::__rt::serde::Deserialize<'de>, for<'__> UnionList<String>: ::tidegate::__rt::serde::Deserialize<'de>"
        )
    )]
    struct __Codec {
        lines: DealtList<Line>,
        files: UnionList<String>,
        #[serde(skip)]
        bytes: u64,
    }
    impl ::tidegate::__rt::serde::Serialize for Pending {
        #[inline]
        fn serialize<S: ::tidegate::__rt::serde::Serializer>(
            &self,
            serializer: S,
        ) -> ::core::result::Result<S::Ok, S::Error> {
            __Codec::serialize(self, serializer)
        }
    }
    impl<'de> ::tidegate::__rt::serde::Deserialize<'de> for Pending {
        #[inline]
        fn deserialize<D: ::tidegate::__rt::serde::Deserializer<'de>>(
            deserializer: D,
        ) -> ::core::result::Result<Self, D::Error> {
            __Codec::deserialize(deserializer)
        }
    }
    impl ::tidegate::state::UnkeyedState for Pending {
        const NAME: &'static str = "Pending";
        fn initial() -> Self {
            ::tidegate::__rt::Checked::<Self>::initial()
        }
        fn fields() -> ::std::vec::Vec<::tidegate::state::Field> {
            ::std::vec::Vec::from([
                ::tidegate::__rt::Checked::<DealtList<Line>>::field("lines")
                    .begins(::tidegate::__rt::Checked::<DealtList<Line>>::begins()),
                ::tidegate::__rt::Checked::<UnionList<String>>::field("seen")
                    .begins(::tidegate::__rt::Checked::<UnionList<String>>::begins()),
            ])
        }
        #[allow(unused_mut, unused_variables)]
        fn deal(
            mut kept: ::std::vec::Vec<Self>,
            share: ::tidegate::state::Share,
        ) -> Self {
            let mut dealt = ::tidegate::__rt::Checked::<Self>::initial();
            dealt.lines = ::tidegate::__rt::Checked::<
                DealtList<Line>,
            >::redeal(&mut kept, |kept| &mut kept.lines, share);
            dealt.files = ::tidegate::__rt::Checked::<
                UnionList<String>,
            >::redeal(&mut kept, |kept| &mut kept.files, share);
            dealt
        }
    }
    const _: fn() = || {
        ::tidegate::__rt::redealt::<DealtList<Line>>();
        ::tidegate::__rt::redealt::<UnionList<String>>();
    };
    const _: fn() = || ::tidegate::__rt::initial::<Pending>();
};
