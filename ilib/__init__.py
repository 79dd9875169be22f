"""ilib: forward models, classical methods, data and results for a book on inverse imaging with models and GANs.

Two interfaces hold it together: an operator, `A(x)` and `A.adjoint(y)`, and a method, a callable `(y, A) -> x_hat`
on batches (B, C, H, W) in [0, 1].  Importing `ilib` is cheap; PyTorch is loaded by the submodules that use it.
"""

__version__ = "0.1.0"
