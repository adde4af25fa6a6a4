#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reading {
    sensor_id: u32,
}
const _: () = {
    use ::tidegate::__rt::Unchecked as _;
    impl ::tidegate::state::Describe for Reading {
        fn schema() -> ::tidegate::state::Schema {
            ::tidegate::state::Schema::Struct(
                ::std::string::String::from("Reading"),
                ::std::vec::Vec::from([
                    ::tidegate::__rt::Checked::<u32>::field("sensor_id")
                        .begins(::tidegate::__rt::Checked::<u32>::begins()),
                ]),
            )
        }
    }
    impl ::tidegate::state::Data for Reading {}
    const _: fn() = || {
        ::tidegate::__rt::carried::<u32>();
    };
};
