#[derive(Clone)]
struct Visit {
    user: String,
    seen: [(); ::core::compile_error! {
        "the field `seen` is of type `Rc<Cell<u64>>`, which can't be carried: sharing ends at a snapshot, and it can't go to another thread\nhelp: keep the value itself"
    }],
    at: EventTime,
}
::core::compile_error! {
    "`Visit` has no field `when`\nhelp: name the field of type `EventTime` that says when the record happened"
}
const _: () = {
    impl ::tidegate::__rt::serde::Serialize for Visit {
        fn serialize<S: ::tidegate::__rt::serde::Serializer>(
            &self,
            _: S,
        ) -> ::core::result::Result<S::Ok, S::Error> {
            ::core::unreachable!()
        }
    }
    impl<'de> ::tidegate::__rt::serde::Deserialize<'de> for Visit {
        fn deserialize<D: ::tidegate::__rt::serde::Deserializer<'de>>(
            _: D,
        ) -> ::core::result::Result<Self, D::Error> {
            ::core::unreachable!()
        }
    }
    impl ::tidegate::state::Describe for Visit {
        fn schema() -> ::tidegate::state::Schema {
            ::core::unreachable!()
        }
    }
    impl ::tidegate::state::Data for Visit
    where
        for<'__> Self: ::core::marker::Send + 'static,
    {}
    impl ::tidegate::record::Event for Visit {
        fn event_time(&self) -> ::tidegate::time::EventTime {
            ::core::unreachable!()
        }
    }
};
