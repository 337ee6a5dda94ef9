"""Which bytes are an RGB transfer of a fungible asset, and do those that a stranger sent hold together?

RGB 0.11.1 (rgb-consensus 0.11.1-rc.11), and of it: the schema NIA (non-inflatable assets), commitments in an
OP_RETURN (opret), strict encoding. Whatever else RGB has is refused by name. From the bottom to the top:

    errors        every class that this package raises
    strict        the strict encoding: a bounded reader, and the writers
    hashes        tagged hashes and the Merkle tree of client-side validation
    seals         where an amount stands: an output of a transaction, open or concealed
    transition    an operation that moves amounts, its bytes and its id
    genesis       the operation that made the asset, the contract's id and what it says of itself
    bundle        the transitions of one contract in one transaction, and the bundle's id
    mpc           one commitment to many contracts' bundles, its proof and the output that carries it
    transaction   a Bitcoin transaction in the strict encoding
    consignment   the file that proves who owns what: read, extended, written
    history       is each step of a consignment right, and what stands where after it?
    names         contracts, outputs and seals as text

To colour a transaction whose outputs are known, with an OP_RETURN of 32 bytes yet to be filled:

    transition = Transition.spending(contract_id, inputs, [Assignment(amount, Seal(vout, blinding)), ...])
    bundle = Bundle((transition,))
    tree = commit({contract_id: bundle.bundle_id()}, entropy)  # of all contracts that the transaction moves
    tree.script()  # the OP_RETURN output's
    file.extended([WitnessBundle.committed(tx, tree, bundle)]).encode()  # what the recipient is given

All of it is pure: no I/O, clock or randomness. Blinding factors and the entropy of a commitment are arguments.
Hashes are in internal byte order.
"""
