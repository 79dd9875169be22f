"""Training networks: the one loop, its settings, the recipes, and the weights that it leaves.

    settings      how a run trains, and a clear error for a field that does not exist
    train         the loop: batches, steps, held-out pictures, checkpoints
    checkpoints   the state of a run, written whole or not at all
    losses        eqs. 15 and 16 of MBD-GAN, 8 to 11 of the physics-based GAN
    pool          generated pictures that a critic is shown again
    tasks         blur, haze, super-resolution, rain: what degrades the pictures of a batch, and its operator
    blurs         a kernel of another kind for each crop, for networks that are told the kernel
    recipes/      what is minimised: cnn, mbd_gan, fcnn, srn, gan_d, physics_gan, cycle_gan
    registry      which weights there are, with their checksum and what they were trained on
    weights       save and load them
    restore       a method of the tables: y -> x_hat by a trained generator
"""
