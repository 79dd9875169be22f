"""Recipes: what each network of a run minimises, one short file each.

    cnn          a generator trained with L1, and nothing else
    unfolded     an unrolled network trained with L1 from a trained denoiser on, plugged into its steps
    misread      the same trained on, half of the kernels that it is told being read from the picture
    kernel       a network that finds the kernel, by cross-entropy with the true one
    mbd_gan      MBD-GAN, and DeblurGAN as the same game with the critic's block A left out
    fcnn         L1 on the gradients of every stage of FCNN, and on the picture
    srn          squared errors at every scale of SRN
    physics_gan  the physics-based GAN, its ablations, BaseGAN and pix2pix
    cycle_gan    CycleGAN, which learns the physics model, from pairs or not
    gan_d        GAN-D, and ODCNN alone as the same recipe with the discriminator left out
"""
