"""Alnus predicts axillary lymph node metastasis in early breast cancer from ultrasound videos.

Source: Li et al., Front. Oncol. 13:1219838 (2023), made into software. Importing this package imports no torch.
"""

__version__ = "0.1.0"
