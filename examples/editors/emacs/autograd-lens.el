;;; autograd-lens.el --- Step through a recorded training run -*- lexical-binding: t; -*-

;; With dape: load this file, then M-x dape RET autograd-lens RET.

;;; Code:

(require 'dape)

(defun autograd-lens-recording ()
  "Ask for a recording."
  (expand-file-name (read-file-name "Recording: " nil nil t nil
                                    (lambda (name)
                                      (or (file-directory-p name)
                                          (string-suffix-p ".lens" name))))))

(add-to-list 'dape-configs
             '(autograd-lens
               modes (python-mode python-ts-mode)
               command "autograd-lens"
               command-args ("dap")
               command-cwd dape-command-cwd
               :type "autograd-lens"
               :request "launch"
               :trace autograd-lens-recording
               :at "0"))

;; dape has no commands for going back; these are its own, with the protocol's words for it.

(defun autograd-lens-step-back ()
  "Back to the event before."
  (interactive)
  (dape--next-like-command (dape--live-connection 'stopped) :stepBack))

(defun autograd-lens-reverse-continue ()
  "Back to the breakpoint before."
  (interactive)
  (dape--next-like-command (dape--live-connection 'stopped) :reverseContinue))

(define-key dape-global-map "N" #'autograd-lens-step-back)
(define-key dape-global-map "C" #'autograd-lens-reverse-continue)

;;; autograd-lens.el ends here
