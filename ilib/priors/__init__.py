"""Generative priors: trained networks whose range is where picture and kernel are looked for (Asim et al., 2020).

    load          a trained prior by name, batch norm folded
    latent        starts that depend on a picture's seed alone, restarts, chunks, and gradients in the Fourier domain
    ranges        the closest picture that a generator can make (eqs. 4, 13, 14)
    algorithm_1   picture and kernel both in the range (eqs. 5 to 9)
    algorithm_2   the picture near the range, with total variation (eq. 10)
    algorithm_3   a generator that is fitted to one blurred picture (eqs. 11, 12)
    aligned       the shift that picture and kernel may share, resolved before anything is measured
    encoded       Algorithm 1 from the guess of an encoder
    adam          steps of Adam on several unknowns of many runs
    codes         where the codes of a training set lie, and priors that draw from there
    likely        Algorithm 1's unknowns by Adam, the likeliest codes
    evidence      what a kernel leaves to be read of the picture: its likelihood with the picture integrated out
    products      decoders without overlap as matrix products
    inputs        the measurements of Table V
    methods       the algorithms as rows of a table, block by block
    ours          the rows that are not in the paper: the likeliest codes, a network's kernel, pictures in turns
    varied        the same with more noise, longer blurs, fewer restarts, another length of z
    untrained     Algorithm 3 as a row
    plans         how the priors are trained, by name and profile
    learners      one step of a variational autoencoder, of a generative adversarial network
    training      `python -m ilib.priors.training numbers cpu`
"""
