//! `Describe`, the shape of a subject field by field, and `Data`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{LitStr, Type, parse_quote};

use super::unfit::spelled;
use super::{OnDisk, Part, Subject};
use crate::krate::Krate;

/// `impl Describe for ..` and `impl Data for ..`.
pub fn expand(subject: &Subject, krate: &Krate) -> TokenStream {
    expand_if(subject, krate, &[])
}

/// `impl Describe for ..`, and `impl Data for ..` on condition that these types are `Data`, too.
pub fn expand_if(subject: &Subject, krate: &Krate, data_if: &[&Type]) -> TokenStream {
    let ident = subject.ident();
    let mut generics = subject.generics().clone();
    for parameter in generics.type_params_mut() {
        // Not `Describe` alone: a container of it has a default only if serde can write that.
        parameter.bounds.push(parse_quote!(#krate::state::Data));
    }
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let data = data(subject, krate, data_if);
    let name = ident.unraw().to_string();
    let schema = match subject.is_enum() {
        false => {
            let fields = fields(&subject.parts[0], krate);
            quote!(#krate::state::Schema::Struct(::std::string::String::from(#name), #fields))
        }
        true => {
            let variants = subject.parts.iter().map(|part| {
                let name = part.variant.as_ref().map(|variant| variant.unraw().to_string());
                let (fields, was) = (fields(part, krate), was(&part.was));
                quote!(#krate::state::Variant::new(#name, #fields)#was)
            });
            quote!(#krate::state::Schema::Enum(::std::string::String::from(#name), ::std::vec::Vec::from([#(#variants),*])))
        }
    };
    quote! {
        impl #impl_generics #krate::state::Describe for #ident #ty_generics #where_clause {
            fn schema() -> #krate::state::Schema {
                #schema
            }
        }
        #data
    }
}

/// `impl Data for ..`.
fn data(subject: &Subject, krate: &Krate, data_if: &[&Type]) -> TokenStream {
    let ident = subject.ident();
    let mut generics = subject.generics().clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(#krate::state::Data));
    }
    for ty in data_if {
        // `for<'__>` keeps rustc from judging it on the spot.
        generics.make_where_clause().predicates.push(parse_quote!(for<'__> #ty: #krate::state::Data));
    }
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    quote!(impl #impl_generics #krate::state::Data for #ident #ty_generics #where_clause {})
}

/// The `Vec<Field>` of a part.
pub fn fields(part: &Part, krate: &Krate) -> TokenStream {
    let fields = part.on_disk().map(|field| {
        let (name, ty, was) = (&field.name, &field.ty, was(&field.was));
        let spelled = spelled(ty);
        match field.on_disk {
            OnDisk::Described => {
                let expiring = field.keep.ttl(krate).map(|ttl| quote!(.expiring(#ttl)));
                quote! {
                    #krate::__rt::Checked::<#ty>::field(#name)
                        .begins(#krate::__rt::Checked::<#ty>::begins())#expiring #was
                }
            }
            OnDisk::Opaque => quote! {
                #krate::state::Field::opaque(#name, #spelled).begins(#krate::__rt::Checked::<#ty>::begins())#was
            },
            OnDisk::Custom | OnDisk::Skipped => quote!(#krate::state::Field::opaque(#name, #spelled)#was),
        }
    });
    quote!(::std::vec::Vec::from([#(#fields),*]))
}

/// `.was(&["old"])`, if there are names.
fn was(names: &[LitStr]) -> Option<TokenStream> {
    (!names.is_empty()).then(|| quote!(.was(&[#(#names),*])))
}
