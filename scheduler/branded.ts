declare const brand: unique symbol;

/**
 * A `Base` that the compiler tells apart from every other one: a page number is not an address, a requester ID not
 * a context. At run time it is the bare value. A branded number may be used wherever a number is wanted; a number
 * becomes branded only through a function that says why it may, in the module that declares the brand.
 */
export type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };
