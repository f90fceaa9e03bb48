"""``python -m autograd_lens`` is ``autograd-lens``."""

from autograd_lens.cli import main

if __name__ == "__main__":
    main()
